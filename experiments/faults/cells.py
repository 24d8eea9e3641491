"""All cells of the matrix."""

from __future__ import annotations

import damages
import deaths
import disks
import others
import storages

CELLS = (*deaths.cells(), *disks.cells(), *damages.cells(), *others.cells(), *storages.cells())
