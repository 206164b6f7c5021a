#!/usr/bin/env bash
# The shipped model "nuclei": BBBC038 (CC0), fluorescence images with corrected label images.
# Three trainings, each going on from the one before, 0.8 s of one core per step of 8 crops. The
# shipped weights were made so, with two short trainings more between the second and the last, and
# bright spots in nuclei among the augmentations in the later ones only.
# usage: recipes/nuclei.sh DSB2018 [MODEL]     DSB2018 holds images/ and labels/
set -euo pipefail
data=$1 model=${2:-src/lucyte/weights/nuclei} work=$(mktemp -d)
common=(--kind nucleus --validation 0.15 --seed 0 --licence "CC0 1.0 (BBBC038)")
lucyte train segment "$data" -o "$work/first" "${common[@]}" --steps 2600
lucyte train segment "$data" -o "$work/second" "${common[@]}" --from "$work/first" \
  --steps 2600 --rate 1.5e-3 --crop-px 224
lucyte train segment "$data" -o "$model" "${common[@]}" --from "$work/second" \
  --steps 1300 --rate 1.0e-3 --crop-px 224
