"""Networks and models: generators, discriminators, CycleGAN."""
