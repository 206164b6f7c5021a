#!/usr/bin/env bash
# The shipped model "cellular": the training fields of CELLULAR (CC BY 4.0), channels decoded from
# the merged pictures; the published validation fields are kept back.
# usage: recipes/cellular.sh CELLULAR [MODEL]     CELLULAR holds images/ and boxes/
set -euo pipefail
lucyte train detect "$1" -o "${2:-src/lucyte/weights/cellular}" --kind cell \
  --use EGFP,mRFP,TL --validation-groups C03_s2,I06_s3 --steps 2200 --seed 0 \
  --licence "CC BY 4.0 (CELLULAR, doi 10.1038/s41597-023-02687-x)"
