"""`python -m edge.cameras.simulator`: simulated cabinets on disk."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.cameras.simulator.options import OPTIONS, simulation_of
from edge.cameras.simulator.writers import slots_yaml, write_crops, write_frames, write_video
from edge.types import ConfigurationError, SlotwatchError


def _show(done: int, total: int) -> None:
    if done == total or done % max(1, total // 100) == 0:
        sys.stderr.write(f"\r{done}/{total}")
        sys.stderr.write("\n" if done == total else "")
        sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edge.cameras.simulator",
        description="Write simulated cabinets: labelled crops, frames with truth, a video, "
        "or (slots) print the slots file of one.",
        epilog="options: "
        + "; ".join(f"{name}={o.default:g}: {o.meaning}" for name, o in OPTIONS.items()),
    )
    parser.add_argument(
        "what",
        choices=("crops", "frames", "video", "slots"),
        help="frames: a folder of pictures, with labels.csv and slots.yaml; video: 5 frames per "
        "second, with labels in a .csv beside it",
    )
    parser.add_argument(
        "--out", type=Path, help="folder (crops, frames) or .mp4 or .avi file (video)"
    )
    parser.add_argument("--count", type=int, default=300, help="crops or frames (default 300)")
    parser.add_argument(
        "--seed", type=int, default=1, help="cabinet, or the first of them (default 1)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="crops: so many cabinets (default 1)")
    parser.add_argument("--size", type=int, default=128, help="crops: side in pixels (default 128)")
    parser.add_argument(
        "--every", type=float, default=1.0, help="simulated seconds per frame (default 1)"
    )
    parser.add_argument(
        "--options", default="", help="as behind simulator?, for example activity=0.3&day=600"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.out is None and args.what != "slots":
        parser.error("--out is needed")
    if args.count < 1 or args.seeds < 1 or args.size < 8 or args.every <= 0:
        parser.error("--count and --seeds begin at 1, --size at 8, --every above 0")
    source = f"simulator?seed={args.seed}" + (f"&{args.options}" if args.options else "")
    try:
        if args.what == "slots":
            sys.stdout.write(slots_yaml(simulation_of(source, args.every, render=False).grid()))
        elif args.what == "crops":
            seeds = range(args.seed, args.seed + args.seeds)
            write_crops(args.out, seeds, args.count, args.size, _show)
        elif args.what == "frames":
            write_frames(args.out, simulation_of(source, args.every), args.count, _show)
        else:
            write_video(args.out, simulation_of(source, args.every), args.count, progress=_show)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 78
    except (SlotwatchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
