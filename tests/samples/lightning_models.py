"""A LightningModule and its data module, small; and some that are wrong."""

import os
import signal

import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(pl.LightningModule):
    """A network with dropout, momentum and a schedule: what goes on from a checkpoint must restore them all."""

    def __init__(self, units: int, lr: float, dropout: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.layers = nn.Sequential(nn.Linear(3, units), nn.ReLU(), nn.Dropout(dropout), nn.Linear(units, 1))

    def loss(self, batch):
        x, y = batch
        return nn.functional.mse_loss(self.layers(x), y)

    def training_step(self, batch, number):
        return self.loss(batch)

    def validation_step(self, batch, number):
        self.log("val_loss", self.loss(batch))
        self.log("val/rate", self.trainer.optimizers[0].param_groups[0]["lr"])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)]


class Data(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        x = torch.randn(96, 3, generator=torch.Generator().manual_seed(1))
        y = (x**2).sum(1, keepdim=True)
        self.train_data, self.val_data = TensorDataset(x[:64], y[:64]), TensorDataset(x[64:], y[64:])

    def train_dataloader(self):
        return DataLoader(self.train_data, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_data, batch_size=32)


class Complete(Net):
    """Says itself what its data and its metric are."""

    datamodule, epochs, metric, mode = Data, 2, "val/rate", "max"


run = Net


class WithOwnData(Net):
    """Needs no data module."""

    def train_dataloader(self): ...


class Interrupted(Complete):
    """Fails in the middle of its third epoch, as if killed."""

    epochs, metric, mode = 5, "val_loss", "min"

    def training_step(self, batch, number):
        if self.current_epoch == 2 and number == 1 and os.environ.get("INTERRUPT"):
            raise InterruptedError
        return super().training_step(batch, number)


class Terminated(Complete):
    """Gets a SIGTERM in its second epoch, as from a batch system whose job ends."""

    metric, mode = "val_loss", "min"

    def training_step(self, batch, number):
        if self.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().training_step(batch, number)


class WithoutValidation(Complete):
    """Only logs what it is trained with."""

    metric, mode = "train_loss", "min"
    validation_step = None

    def training_step(self, batch, number):
        loss = super().training_step(batch, number)
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss


class Diverging(Complete):
    metric, mode = "val_loss", "min"

    def loss(self, batch):
        return super().loss(batch) * float("nan")
