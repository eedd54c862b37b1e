"""Who will pay: viewers as rows of what they wrote and did, models of them, and an honest evaluation."""

from chatlib import pretrain as pretrain  # sets the threads' wait policy before torch loads
