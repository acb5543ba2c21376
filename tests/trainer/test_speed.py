"""The arithmetic beside the figures of speed, and how they come into docs/."""

from pathlib import Path

import keras
import pytest
import tensorflow as tf

from benchmarks import speed
from benchmarks.arithmetic import (
    INSTRUCTION_SETS,
    MultiplyAdds,
    count_multiply_adds,
    product_model,
    read_core,
)
from edge.measure.cost import FrameCost

pytestmark = pytest.mark.trainer

X86 = "model name\t: AMD EPYC\ncpu MHz\t\t: 2596.132\nflags\t\t: fpu sse2 {}\n" * 2
COSTS = (FrameCost(1, 4.0, 1.2, 3.33, 3.3), FrameCost(64, 88.0, 80.0, 1.1, 1.09))


def convert(layer: object) -> bytes:
    model = keras.Sequential([keras.Input((8, 8, 3), batch_size=1), layer])
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def test_a_convolution_takes_its_window_for_each_output() -> None:
    # 4 x 4 places of 5 filters, each over 3 x 3 places of 3 channels.
    work = count_multiply_adds(convert(keras.layers.Conv2D(5, 3, 2, padding="same")))
    assert work == MultiplyAdds(int8=0, float32=4 * 4 * 5 * 3 * 3 * 3)


def test_a_depthwise_convolution_takes_no_channel_but_its_own() -> None:
    # 6 x 6 places of 3 channels, each over 3 x 3 places.
    work = count_multiply_adds(convert(keras.layers.DepthwiseConv2D(3)))
    assert work == MultiplyAdds(int8=0, float32=6 * 6 * 3 * 3 * 3)


@pytest.mark.parametrize("is_integer", [True, False])
def test_a_matrix_product_is_counted_by_the_type_of_its_weights(is_integer: bool) -> None:
    products = 256 * 1024 * 1024
    work = count_multiply_adds(product_model(is_integer))
    assert (work.int8, work.float32) == ((products, 0) if is_integer else (0, products))
    assert work.all == products


@pytest.mark.parametrize(
    ("flags", "known"),
    [("avx2 avx512_vnni", "avx512_vnni"), ("avx2 avx_vnni", "avx_vnni"), ("avx2", "avx2")],
)
def test_the_widest_instructions_of_a_core_are_found(flags: str, known: str) -> None:
    core = read_core(X86.format(flags, flags))
    assert core is not None
    assert core.instructions.flag == known
    assert core.name == "AMD EPYC"
    assert core.clock_hz == pytest.approx(2.596132e9)


def test_an_arm_core_has_its_clock_from_elsewhere() -> None:
    cpuinfo = "BogoMIPS\t: 108.00\nFeatures\t: fp asimd asimdhp asimddp\n"
    core = read_core(cpuinfo, "2400000\n")
    assert core is not None
    assert (core.instructions.flag, core.clock_hz) == ("asimddp", 2.4e9)
    assert read_core(cpuinfo) is None


def test_a_core_without_known_instructions_has_no_limit() -> None:
    assert read_core(X86.format("", "")) is None


def test_the_limit_is_cycles_over_the_clock() -> None:
    core = read_core("Features : asimddp", "1000000")
    assert core is not None
    # At 1 GHz: 32 million products at 32, and 8 million at 8 per cycle: a million cycles each.
    assert core.limit_ms(MultiplyAdds(32_000_000, 8_000_000)) == pytest.approx(2.0)
    assert all(known.int8_per_cycle > known.float32_per_cycle for known in INSTRUCTION_SETS)


def test_the_models_stand_beside_the_bare_interpreter() -> None:
    timed = [
        speed.Timed("bare interpreter", 1.25, MultiplyAdds(90_000_000, 10_000_000)),
        speed.Timed("in floats", 2.5, MultiplyAdds(0, 100_000_000)),
    ]
    lines = speed.model_table(timed).splitlines()
    assert "| bare interpreter | 1.250 | 1.00 | 80 |" in lines
    assert "| in floats | 2.500 | 2.00 | 40 |" in lines


def test_the_plot_has_text_and_no_background(tmp_path: Path) -> None:
    speed.draw(COSTS, tmp_path / "speed.svg")
    svg = (tmp_path / "speed.svg").read_text()
    for words in ("whole frame", "bare interpreter", "limit: 1.1 x bare", ">64<"):
        assert words in svg
    assert "fill: #ffffff" not in svg
    speed.draw(COSTS, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == svg


def test_the_table_of_sizes_has_a_line_for_each() -> None:
    assert speed.size_table(COSTS).splitlines()[2:] == [
        "| 1 | 4.0 | 1.2 | 3.330 | 3.300 |",
        "| 64 | 88.0 | 80.0 | 1.100 | 1.090 |",
    ]


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    document = f"before\n{speed.BEGIN}old\n{speed.END}after\n"
    assert speed.replace_section(document, "new") == (
        f"before\n{speed.BEGIN}\nnew\n\n{speed.END}after\n"
    )
    with pytest.raises(ValueError, match="has no <!-- speed: begin -->"):
        speed.replace_section("no marks", "new")


def test_the_document_has_the_marks() -> None:
    assert "new" in speed.replace_section(speed.DOCUMENT.read_text("utf-8"), "new")
