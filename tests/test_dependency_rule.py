"""The dependency rule of the house: types <- core <- shell <- daemon <- command line.

Reads every `import` of edge/ and trainer/, also those inside functions, and holds them
against the table below. A new module is a line in the table.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the inside out: a module may import those of its own layer and of the layers above
# it in this table. A name that is a package stands for everything in it.
LAYERS: dict[str, tuple[str, ...]] = {
    "types": ("edge", "edge.types"),
    "core": (
        "edge.align",
        "edge.change",
        "edge.config_file",
        "edge.covering",
        "edge.decide",
        "edge.empties",
        "edge.garbage",
        "edge.halvings",
        "edge.look",
        "edge.patches",
        "edge.pipeline",
        "edge.preprocess",
        "edge.problems",
        "edge.quality",
        "edge.reach",
        "edge.regions",
        "edge.requests",
        "edge.scene",
        "edge.registration",
        "edge.scores",
        "edge.setting_kinds",
        "edge.settings",
        "edge.settings_reference",
        "edge.site_head",
        "edge.slots_file",
        "edge.still",
        "edge.tear",
        "edge.yaml_nodes",
    ),
    "shell": (
        "edge.annotate",
        "edge.bundle",
        "edge.cameras",
        "edge.classifier",
        "edge.demo_broker",
        "edge.desk",
        "edge.embedded_broker",
        "edge.health",
        "edge.files",
        "edge.journal",
        "edge.journal_file",
        "edge.ledger",
        "edge.latest",
        "edge.learned_head",
        "edge.learning",
        "edge.lesson",
        "edge.lesson_words",
        "edge.notify",
        "edge.references",
        "edge.showing",
        "edge.sinks",
        "edge.site",
        "edge.web",
        "edge.write_ahead_log",
    ),
    "daemon": (
        "edge.alerts",
        "edge.answers",
        "edge.daemon",
        "edge.inference",
        "edge.parts",
        "edge.recorder",
    ),
    "command line": ("edge.__main__", "edge.commands", "edge.measure"),
}
TRAINER = "trainer"
# What the trainer shares with the device. The simulator is an addition to the plan of
# the house: its labelled crops are training data, and a second one would drift from it. Garbage
# is drawn on the device too, where a site is learnt.
TRAINER_MAY_IMPORT = (
    "edge.bundle",
    "edge.cameras.simulator",
    "edge.classifier",
    "edge.empties",
    "edge.garbage",
    "edge.preprocess",
    "edge.scores",
    "edge.types",
)
# Rooms of one layer that do not know each other.
STRANGERS = (("edge.cameras", "edge.sinks"), ("edge.sinks", "edge.cameras"))
# The device's dependencies; CONTRIBUTING.md has the reason for each.
DEVICE_PACKAGES = ("ai_edge_litert", "cv2", "numpy", "paho", "tflite_runtime", "yaml")


def is_within(module: str, room: str) -> bool:
    """Return whether a module is this room or lies in it."""
    return module == room or module.startswith(f"{room}.")


def layer_of(module: str) -> int | None:
    """Return the number of the module's layer, counted from the inside, None when unlisted."""
    for number, rooms in enumerate(LAYERS.values()):
        # `edge` itself is a package too, but stands for its own __init__ alone.
        if any(module == room if room == "edge" else is_within(module, room) for room in rooms):
            return number
    return None


def imports_of(source: str, package: str, modules: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything a module's source imports.

    `from edge import settings` is edge.settings when `modules` has it, else a name in edge.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parts if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield node.lineno, whole if whole in modules else base


def objection(module: str, imported: str) -> str | None:
    """Return why a module may not import another, None when it may."""
    top = imported.partition(".")[0]
    if top not in ("edge", TRAINER):
        if is_within(module, TRAINER) or top in sys.stdlib_module_names or top in DEVICE_PACKAGES:
            return None
        return f"{top} is not one of the device's packages ({', '.join(DEVICE_PACKAGES)})"
    if is_within(module, TRAINER):
        if top == TRAINER or any(is_within(imported, room) for room in TRAINER_MAY_IMPORT):
            return None
        return f"the trainer may import {', '.join(TRAINER_MAY_IMPORT)} of edge, no more"
    if top == TRAINER:
        return "the device never imports the trainer"
    for room, stranger in STRANGERS:
        if is_within(module, room) and is_within(imported, stranger):
            return f"{room} and {stranger} do not know each other"
    own, other = layer_of(module), layer_of(imported)
    if own is not None and other is not None and other > own:
        names = list(LAYERS)
        return f"{names[own]} may not import {names[other]}; {' <- '.join(names)}"
    return None


def broken_rules(sources: dict[str, str], packages: frozenset[str]) -> list[str]:
    """Return one line per import that breaks the rule and per module that no layer lists.

    `sources` maps a module's name to its text, `packages` are those that are an __init__.py.
    """
    modules = frozenset(sources)
    problems = []
    for module, source in sorted(sources.items()):
        if not is_within(module, TRAINER) and layer_of(module) is None:
            problems.append(
                f"{module}: in no layer; add it to LAYERS in tests/test_dependency_rule.py"
            )
        package = module if module in packages else module.rpartition(".")[0]
        for line, imported in imports_of(source, package, modules):
            reason = objection(module, imported)
            if reason:
                problems.append(f"{module}:{line}: imports {imported}: {reason}")
    return problems


def read_sources() -> tuple[dict[str, str], frozenset[str]]:
    """Return every module of edge/ and trainer/ with its text, and which are packages."""
    sources, packages = {}, set()
    for path in [*(ROOT / "edge").rglob("*.py"), *(ROOT / TRAINER).rglob("*.py")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
            packages.add(".".join(parts))
        sources[".".join(parts)] = path.read_text("utf-8")
    return sources, frozenset(packages)


def test_every_import_keeps_the_dependency_rule() -> None:
    sources, packages = read_sources()
    assert {"edge", "edge.types", "edge.cameras", "trainer.recipe"} <= set(sources)
    assert broken_rules(sources, packages) == []


@pytest.mark.parametrize(
    ("module", "source", "problem"),
    [
        (
            "edge.types",
            "from edge.decide import decide",
            "edge.types:1: imports edge.decide: types may not import core; "
            "types <- core <- shell <- daemon <- command line",
        ),
        (
            "edge.decide",
            "def f():\n    from edge import journal",
            "edge.decide:2: imports edge.journal: core may not import shell; "
            "types <- core <- shell <- daemon <- command line",
        ),
        (
            "edge.journal",
            "import edge.daemon as d",
            "edge.journal:1: imports edge.daemon: shell may not import daemon; "
            "types <- core <- shell <- daemon <- command line",
        ),
        (
            "edge.cameras.folder",
            "from ..sinks.mqtt import MqttSink",
            "edge.cameras.folder:1: imports edge.sinks.mqtt: "
            "edge.cameras and edge.sinks do not know each other",
        ),
        (
            "edge.sinks.mqtt",
            "import edge.cameras",
            "edge.sinks.mqtt:1: imports edge.cameras: "
            "edge.sinks and edge.cameras do not know each other",
        ),
        (
            "edge.classifier",
            "import trainer.fit",
            "edge.classifier:1: imports trainer.fit: the device never imports the trainer",
        ),
        (
            "edge.classifier",
            "from tensorflow.lite import Interpreter",
            "edge.classifier:1: imports tensorflow.lite: tensorflow is not one of the device's "
            "packages (ai_edge_litert, cv2, numpy, paho, tflite_runtime, yaml)",
        ),
        (
            "edge.journal",
            "import pydantic",
            "edge.journal:1: imports pydantic: pydantic is not one of the device's packages "
            "(ai_edge_litert, cv2, numpy, paho, tflite_runtime, yaml)",
        ),
        (
            "trainer.fit",
            "from edge.settings import read_settings",
            "trainer.fit:1: imports edge.settings: the trainer may import edge.bundle, "
            "edge.cameras.simulator, edge.classifier, edge.empties, edge.garbage, "
            "edge.preprocess, edge.scores, edge.types of edge, no more",
        ),
        (
            "edge.newcomer",
            "",
            "edge.newcomer: in no layer; add it to LAYERS in tests/test_dependency_rule.py",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_line(module: str, source: str, problem: str) -> None:
    known = dict.fromkeys(["edge.decide", "edge.journal", "edge.daemon", "edge.types"], "")
    assert broken_rules({**known, module: source}, frozenset()) == [problem]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("edge.types", "import numpy as np\nfrom edge import __version__"),
        ("edge.pipeline", "from edge.decide import decide\nfrom .types import Slot"),
        ("edge.cameras.folder", "from edge.cameras import CameraError\nimport cv2"),
        (
            "edge.classifier",
            "def f():\n    from tflite_runtime import interpreter\n    import yaml",
        ),
        ("edge.__main__", "from edge.commands import run\nfrom edge.daemon import Daemon"),
        ("trainer.fit", "import keras\nfrom edge.preprocess import crop_whole\nimport trainer"),
    ],
)
def test_a_kept_rule_is_not_complained_about(module: str, source: str) -> None:
    assert broken_rules({module: source}, frozenset()) == []
