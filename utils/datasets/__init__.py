"""Where data sets come from: `phantom` and `synthetic` are drawn, `lctsc` is fetched."""
