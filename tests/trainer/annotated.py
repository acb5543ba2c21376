"""Write the same boxes as Pascal VOC, YOLO and COCO, as other programs do."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2

from edge.types import ImageRGB

XYWH = tuple[float, float, float, float]
Boxes = Sequence[tuple[str, XYWH]]  # class, box in pixels


def save(file: Path, picture_rgb: ImageRGB) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(file.suffix.lower(), cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))
    file.write_bytes(data.tobytes())


def write_voc(folder: Path, pictures: dict[str, Boxes], size_wh: tuple[int, int]) -> None:
    for name, boxes in pictures.items():
        objects = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox></object>"
            for kind, (x, y, width, height) in boxes
        )
        file = folder / "Annotations" / f"{Path(name).stem}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f"<annotation><filename>{name}</filename><size><width>{size_wh[0]}</width>"
            f"<height>{size_wh[1]}</height><depth>3</depth></size>{objects}</annotation>",
            "utf-8",
        )


def write_yolo(folder: Path, pictures: dict[str, Boxes], size_wh: tuple[int, int]) -> None:
    names = sorted({kind for boxes in pictures.values() for kind, _ in boxes})
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(f"nc: {len(names)}\nnames: {json.dumps(names)}\n", "utf-8")
    for name, boxes in pictures.items():
        lines = [
            f"{names.index(kind)} {(x + width / 2) / size_wh[0]:.9f} "
            f"{(y + height / 2) / size_wh[1]:.9f} {width / size_wh[0]:.9f} "
            f"{height / size_wh[1]:.9f}\n"
            for kind, (x, y, width, height) in boxes
        ]
        (folder / "labels" / f"{Path(name).stem}.txt").write_text("".join(lines), "utf-8")


def write_coco(folder: Path, pictures: dict[str, Boxes], size_wh: tuple[int, int]) -> None:
    names = sorted({kind for boxes in pictures.values() for kind, _ in boxes})
    document = {
        "images": [
            {"id": number, "file_name": name, "width": size_wh[0], "height": size_wh[1]}
            for number, name in enumerate(pictures)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"image_id": number, "category_id": names.index(kind), "bbox": list(box)}
            for number, boxes in enumerate(pictures.values())
            for kind, box in boxes
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instances.json").write_text(json.dumps(document), "utf-8")


WRITERS = {"voc": write_voc, "yolo": write_yolo, "coco": write_coco}
