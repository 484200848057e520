"""`python -m keras_style` is `keras-style`."""

from keras_style.commands.main import main

main()
