#!/usr/bin/env bash
# The shipped model "nuclei": BBBC038 (CC0), fluorescence images with corrected label images.
# usage: recipes/nuclei.sh DSB2018 [MODEL]     DSB2018 holds images/ and labels/
set -euo pipefail
lucyte train segment "$1" -o "${2:-src/lucyte/weights/nuclei}" --kind nucleus \
  --validation 0.15 --steps 2600 --seed 0 --licence "CC0 1.0 (BBBC038)"
