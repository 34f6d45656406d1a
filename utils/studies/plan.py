"""What the loss study tries: the small network, the losses, and what the reports wished for."""

from utils.settings import Settings

# A network that learns in seconds; only comparisons within the study mean anything
SMALL = Settings(
    image_size=48, width=8, levels=4, batch_size=8, epochs=5, learning_rate=0.01, dsc_threshold=0.0
)
MOVED = {"flip_columns": True, "rotate": 8.0, "shift": 0.08, "zoom": 0.15}
SUMS = {"loss": "combined_sum"}  # Dice of the first report; the second has squares
ADAPTIVE = {"loss": "adaptive"}

# Name -> what it changes in SMALL, whose loss is half BCE and half Dice with squares
REDUCED = {
    "BCE": {"beta": 1.0},
    "soft Dice": {"beta": 0.0},
    "0.7 BCE + 0.3 Dice, 1310 px": {"beta": 0.7, "dsc_threshold": 1310.0, **SUMS},  # 1st report
    "0.7 BCE + 0.3 Dice, 20 px": {"beta": 0.7, "dsc_threshold": 20.0, **SUMS},
    "0.5 BCE + 0.5 Dice, rate 0.1": {"learning_rate": 0.1},  # the second report
    "0.5 BCE + 0.5 Dice": {},
    "adaptive": ADAPTIVE,
    "adaptive, augmented": {**ADAPTIVE, **MOVED},
}
LOSSES = REDUCED | {
    "soft Dice, plain sums": {"beta": 0.0, **SUMS},
    "0.7 BCE + 0.3 Dice": {"beta": 0.7},
    "0.3 BCE + 0.7 Dice": {"beta": 0.3},
    "0.5 BCE + 0.5 Dice, 1310 px": {"dsc_threshold": 1310.0, **SUMS},
    "BCE, rate 0.1": {"beta": 1.0, "learning_rate": 0.1},
    "BCE, rate 0.001": {"beta": 1.0, "learning_rate": 0.001},
    "0.5 BCE + 0.5 Dice, rate 0.001": {"learning_rate": 0.001},
}
# What the reports would have liked to change besides the loss
WISHED = {
    "10 epochs": {"epochs": 10},
    "10 epochs, augmented": {"epochs": 10, **MOVED},
    "blurred": {"blur": 1.0},
    "dropout 0.5": {"dropout": 0.5},
    "weight decay": {"optimiser": "adamw", "weight_decay": 0.01},
    "RMSprop": {"optimiser": "rmsprop", "learning_rate": 0.001},
    "plateau": {"schedule": "plateau"},
}
FULL = LOSSES | WISHED
