"""The systemd unit and its installer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.settings import read_settings

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd" / "slotwatch@.service"
INSTALLER = ROOT / "systemd" / "install"


@pytest.fixture
def systemd_analyze() -> str:
    """The path of systemd's own checker."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    return program


def install(destination: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run the installer into a folder, without the program (that takes the network)."""
    return subprocess.run(
        [INSTALLER, "--no-program", "--destination", destination, *names],
        capture_output=True,
        text=True,
        timeout=60,
        # Neither where it is called from nor a strict umask may matter.
        cwd=destination,
        umask=0o077,
    )


def test_systemd_finds_nothing_wrong_with_the_unit(systemd_analyze: str, tmp_path: Path) -> None:
    # systemd wants the program of ExecStart to exist, so a stand-in takes its place.
    program = tmp_path / "slotwatch"
    program.touch(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/slotwatch/venv/bin/slotwatch", str(program)))
    verified = subprocess.run(
        [systemd_analyze, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60
    )
    # It also speaks of the machine's own units; those are not ours to mend.
    complaints = [line for line in verified.stderr.splitlines() if "slotwatch" in line]
    assert complaints == []
    assert verified.returncode == 0, verified.stderr


def test_the_unit_exposes_little(systemd_analyze: str) -> None:
    analyzed = subprocess.run(
        # 0 is best, 100 worst; a plain unit without hardening has 96.
        [systemd_analyze, "security", "--no-pager", "--offline=true", "--threshold=20", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert analyzed.returncode == 0, analyzed.stdout + analyzed.stderr


def test_installed_settings_are_read_under_the_cabinets_name(tmp_path: Path) -> None:
    installed = install(tmp_path, "bench-b")
    assert installed.returncode == 0, installed.stderr
    config = tmp_path / "etc/slotwatch/bench-b/config.yaml"
    # The model's folder must exist; on the device it does.
    config.write_text(config.read_text().replace(" /opt/", f" {tmp_path}/opt/"))
    settings = read_settings(config)
    assert settings.device == "bench-b"
    assert settings.storage == Path("/var/lib/slotwatch/bench-b")
    assert settings.model == tmp_path / "opt/slotwatch/models/default"
    assert settings.slots
    assert "systemctl enable --now slotwatch@bench-b" in installed.stdout


def test_the_unit_starts_what_was_installed(tmp_path: Path) -> None:
    install(tmp_path, "bench-b")
    unit = (tmp_path / "etc/systemd/system/slotwatch@.service").read_text()
    assert "/opt/slotwatch/venv/bin/slotwatch run --config /etc/slotwatch/%i/config.yaml" in unit
    assert "StateDirectory=slotwatch/%i" in unit
    assert (tmp_path / "opt/slotwatch/models/default/bundle.json").is_file()


def test_the_services_user_can_read_what_was_installed(tmp_path: Path) -> None:
    assert install(tmp_path, "bench-b").returncode == 0
    for folder, _, files in os.walk(tmp_path / "etc"):
        assert Path(folder).stat().st_mode & 0o055 == 0o055, folder
        for file in files:
            assert (Path(folder) / file).stat().st_mode & 0o044 == 0o044, file


def test_installing_again_keeps_edited_settings_and_models(tmp_path: Path) -> None:
    install(tmp_path, "bench-b")
    config = tmp_path / "etc/slotwatch/bench-b/config.yaml"
    config.write_text("# mine\n")
    manifest = tmp_path / "opt/slotwatch/models/default/bundle.json"
    manifest.write_text("{}")
    unit = tmp_path / "etc/systemd/system/slotwatch@.service"
    unit.write_text("an older release's")

    again = install(tmp_path, "bench-b", "bench-c")
    assert again.returncode == 0, again.stderr
    assert config.read_text() == "# mine\n"
    assert manifest.read_text() == "{}"
    assert f"{manifest.parent}: kept; it differs from models/default here" in again.stdout
    assert unit.read_text() == UNIT.read_text()
    assert (tmp_path / "etc/slotwatch/bench-c/config.yaml").is_file()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["rack/7"], "'rack/7': a cabinet's name has letters, digits, - and _ only"),
        (["../a"], "'../a': a cabinet's name has letters, digits, - and _ only"),
        ([""], "'': a cabinet's name has letters, digits, - and _ only"),
        (["a" * 65], f"{'a' * 65}: a cabinet's name has at most 64 characters"),
        (["--force"], "--force: unknown option; see systemd/install --help"),
        (["good", "b@d"], "'b@d': a cabinet's name has letters, digits, - and _ only"),
    ],
)
def test_a_wrong_name_installs_nothing(tmp_path: Path, names: list[str], message: str) -> None:
    refused = install(tmp_path, *names)
    assert refused.returncode == 1
    assert refused.stderr.strip() == message
    assert list(tmp_path.iterdir()) == []


def test_help_says_what_goes_where() -> None:
    helped = subprocess.run([INSTALLER, "--help"], capture_output=True, text=True, timeout=10)
    assert helped.returncode == 0
    for place in ("/opt/slotwatch/venv", "/etc/slotwatch/NAME/", "slotwatch@.service"):
        assert place in helped.stdout
