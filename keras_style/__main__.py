"""`python -m keras_style` is `keras-style`."""

from keras_style.cli import main

main()
