"""Keeps the process of the calling program unchanged: each call restores its state."""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import hydra.conf  # registers what every program that uses Hydra needs  # noqa: F401
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.singleton import Singleton
from omegaconf.basecontainer import BaseContainer

from nmt.commands.errors import in_words
from nmt.errors import UserError
from nmt.hardware.process import set_environment

LOCK = threading.RLock()  # the switches of torch and Hydra belong to the whole process


class OurHydra:
    """Hydra's global state as nmt needs it, separate from that of the calling program."""

    singletons: ClassVar[dict[type, Any]] = {}
    resolvers: ClassVar[dict[str, Any]] = {}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Do the work of one call inside the block; one call at a time, other threads wait.

    Afterwards Hydra, OmegaConf's resolvers, torch's random numbers and its choice of deterministic
    kernels, Python's random numbers and the environment are restored. UserError for mistakes
    of the user, with the message of the commands.
    """
    with LOCK, ExitStack() as until:
        until.enter_context(own_hydra())
        until.enter_context(same_environment())
        until.enter_context(torch.random.fork_rng(devices=visible_gpus()))
        until.callback(random.setstate, random.getstate())
        until.enter_context(same_kernels())
        set_environment()
        try:
            yield
        except Exception as error:
            message = in_words(error)
            if message is None or isinstance(error, UserError):
                raise
            raise UserError(message) from error


@contextmanager
def own_hydra() -> Iterator[None]:
    """Use Hydra as if nobody else in this process did."""
    theirs, their_resolvers = Singleton._instances, BaseContainer._resolvers
    if not OurHydra.singletons:
        store = ConfigStore.__new__(ConfigStore)
        store.repo = dict(ConfigStore.instance().repo)
        OurHydra.singletons = {ConfigStore: store}
        OurHydra.resolvers = dict(their_resolvers)
    Singleton._instances = OurHydra.singletons
    BaseContainer._resolvers = OurHydra.resolvers
    try:
        yield
    finally:
        OurHydra.singletons, OurHydra.resolvers = Singleton._instances, BaseContainer._resolvers
        Singleton._instances, BaseContainer._resolvers = theirs, their_resolvers


@contextmanager
def same_environment() -> Iterator[None]:
    """Put the environment variables back after the block."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def same_kernels() -> Iterator[None]:
    """Put back what :func:`nmt.hardware.runtime.seed_everything` sets."""
    cudnn = torch.backends.cudnn
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    before = cudnn.deterministic, cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        cudnn.deterministic, cudnn.benchmark = before


def visible_gpus() -> list[int]:
    """Return the GPUs that have random numbers: none before CUDA is used."""
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
