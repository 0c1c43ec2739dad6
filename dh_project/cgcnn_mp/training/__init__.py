"""Training: the loop, its settings, and its files.

In reading order: ``configuration`` (all settings), ``loop``, ``settings``, ``losses``, ``schedules``, ``metrics``;
``saving`` and ``checkpoint`` (files); ``train_in_folder``, ``start_or_resume`` and ``seeds`` (outside a search).
"""
