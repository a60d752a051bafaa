"""Starts and stops everything that one machine needs to be the whole backend."""

import json
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.local.batch import LocalBatch
from ketbase.local.metrics import PrometheusMeter
from ketbase.local.runner import WorkflowRunner
from ketbase.local.scheduler import Scheduled, Scheduler, schedules_of
from ketbase.local.server import web_application
from ketbase.local.template import Function, Schedule, Template
from ketbase.local.workers import Workers
from ketbase.runtime import observability, wiring
from ketbase.runtime.settings import settings

_LISTEN_S = 5.0
_PURGE_EVERY_S = 3_600
_KEEP_EXECUTIONS = timedelta(days=90)
_AFTER_FAILURE_S = 1.0


class LocalStack:
    """The web application, the dispatcher, the schedules, and the workflow runner with its workers."""

    def __init__(self, folder: Path, template: Template, workers: int):
        """Make the parts; nothing runs yet.

        Args:
            folder: the checkout.
            template: read from it.
            workers: how many processes do the heavy steps; with 0, jobs are accepted and wait.
        """
        meter = PrometheusMeter(wiring.job_store())
        observability.measure_with(meter)
        self.app: FastAPI = web_application(template, meter)
        self._closing = threading.Event()
        self._workers: Workers | None = None
        self._runner: WorkflowRunner | None = None
        self._batch: LocalBatch | None = None
        self._scheduler = Scheduler([])
        if not workers:
            return
        self._workers = Workers(folder, workers)
        steps = {f.name: f.handler() for f in template.functions.values() if not f.route and not f.image}
        self._answer = next(steps[f.name] for f in template.functions.values() if f.on_doorbell)
        self._scheduler = Scheduler(
            [
                Scheduled("purge", Schedule(_PURGE_EVERY_S, {}), lambda _event, _context: _purge()),
                *(
                    Scheduled(f.name, schedule, steps.get(f.name) or partial(self._in_worker, f))
                    for f in template.functions.values()
                    for schedule in schedules_of(f, settings().poll_every_s)
                    if schedule.event.get("engine", "aer") in wiring.engines()
                ),
            ]
        )
        journal = wiring.workflows()
        if isinstance(journal, LocalWorkflows):
            self._batch = LocalBatch(folder, settings().batch_seconds)
            self._runner = WorkflowRunner(journal, template, steps, self._workers, wiring.clock(), self._batch)

    def start(self) -> None:
        """Start all parts that are not the web server, and repair what an earlier end left behind."""
        wiring.language().warm()
        if self._workers is None:
            return
        self._workers.warm()
        if self._runner is not None:
            threading.Thread(target=self._runner.run, name="workflows", daemon=True).start()
        threading.Thread(target=self._listen, name="doorbell", daemon=True).start()
        self._scheduler.start()

    def stop(self) -> None:
        """Stop all parts; what was under way goes on at the next start."""
        self._closing.set()
        self._scheduler.close()
        if self._runner is not None:
            self._runner.close()
        if self._batch is not None:
            self._batch.close()
        if self._workers is not None:
            self._workers.close()

    def _in_worker(self, function: Function, event: dict[str, Any], _context: None) -> object:
        if self._workers is None:
            return None
        return self._workers.call(function, json.dumps(event).encode(), self._closing)

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                wiring.doorbell().answer(lambda reason: self._answer({"reason": reason}, None), _LISTEN_S)
            except Exception:  # noqa: BLE001 (the bell rings again)
                observability.log_exception("dispatch failed")
                self._closing.wait(_AFTER_FAILURE_S)


def _purge() -> None:
    """Drop what is over, as DynamoDB, S3 and Step Functions do by themselves."""
    records, journal, blobs = wiring.records(), wiring.workflows(), wiring.blobs()
    now = wiring.clock().now()
    if isinstance(records, SqliteRecords):
        records.purge_expired()
    if isinstance(journal, LocalWorkflows):
        journal.forget_ended(now - _KEEP_EXECUTIONS)
    if isinstance(blobs, FileBlobs):
        for room in ("jobs/", "compiled/"):
            blobs.forget(room, now - timedelta(days=settings().result_days))
        blobs.forget("audit/", now - timedelta(days=settings().audit_days))
