"""Imagined slots: drawn pairs of one place, once empty and once with a thing in it.

A model that learns from a few cameras learns their cars or tools. These drawings vary what a
slot can look like far beyond any one collection, so that what is left to learn is the idea:
is something in this place? Whatever is no thing (holes, outlines, print, stains, shadows from
outside, a neighbour's edge) is in both pictures of a pair, so that none of it tells the label.

Everything is drawn from general knowledge of cabinets, shelves, tool walls, boxes and parking
places. No picture of any data set was looked at for it, because the models are judged on
sources they never saw. Grain, JPEG, exposure and colour are `trainer.augment`'s part.
"""

from trainer.imagined.scene import imagined_crops, imagined_pair

__all__ = ["imagined_crops", "imagined_pair"]
