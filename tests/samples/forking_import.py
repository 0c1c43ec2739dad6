"""A run module that forks a process when imported, as a multiprocessing.Manager does."""

import multiprocessing
import time

helper = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
helper.start()


def run(point):
    return 1.0
