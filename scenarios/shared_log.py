"""What is asked of the processes that share a log."""


def owned(run, stage="source"):
    """The partitions whose tasks run in this process."""
    (pipeline,) = run.status()["pipelines"]
    (found,) = [one for one in pipeline["stages"] if one["stage"] == stage]
    mine = run.status()["process"]
    return [
        one["partition"] for one in found["ownership"]
        if one["process"] == mine and one["state"] == "running"
    ]  # fmt: skip
