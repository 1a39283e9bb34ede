"""Infrastructure: machines and GPUs, as other exporters see them."""

from __future__ import annotations

from generators.dashboards.ask import RATE, Ask
from generators.dashboards.colours import HARM, LINE
from generators.dashboards.layers import external
from generators.grafana import Query
from generators.panels import Panel

_PLAIN = ((None, LINE),)
_ERRORS = ((None, LINE), (1, HARM))
_GPU_LEGEND = "{{Hostname}} GPU {{gpu}}"


def processors(ask: Ask) -> Panel:
    """Busy machines."""
    metric = ask.series("node_cpu_seconds_total", 'mode="idle"')
    busy = f"1 - avg by (instance) (rate({metric}[{RATE}]))"
    text = "Share of all cores of each machine that work."
    return external.lines(
        "Processor in use, by machine", text, [Query(busy, "{{instance}}")], external.NODE, share=True
    )


def memory(ask: Ask) -> Panel:
    """Machines near their end."""
    free, total = ask.series("node_memory_MemAvailable_bytes"), ask.series("node_memory_MemTotal_bytes")
    used = f"1 - max by (instance) ({free}) / max by (instance) ({total})"
    text = "Share of memory in use, without what can be freed."
    return external.lines("Memory in use, by machine", text, [Query(used, "{{instance}}")], external.NODE, share=True)


def disks(ask: Ask) -> Panel:
    """A full disk stops the gateway's log, and so Tocsin."""
    real = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'
    free, size = (ask.series(f"node_filesystem_{part}_bytes", real) for part in ("avail", "size"))
    used = f"max by (instance, mountpoint) (1 - {free} / {size})"
    text = "A full disk stops the gateway's log, and Tocsin with it."
    return external.lines("Disk in use", text, [Query(used, "{{instance}} {{mountpoint}}")], external.NODE, share=True)


def gpus(ask: Ask) -> Panel:
    """Whether GPUs work."""
    load = f"avg by (Hostname, gpu) ({ask.series('DCGM_FI_DEV_GPU_UTIL')}) / 100"
    text = "Idle GPUs while requests wait are as suspicious as busy ones while there are none."
    return external.lines("GPU in use", text, [Query(load, _GPU_LEGEND)], external.GPU, share=True, levels=_PLAIN)


def gpu_memory(ask: Ask) -> Panel:
    """Room for the cache of a served model."""
    used, free = ask.series("DCGM_FI_DEV_FB_USED"), ask.series("DCGM_FI_DEV_FB_FREE")
    share = f"max by (Hostname, gpu) ({used} / ({used} + {free}))"
    text = "Share of each GPU's memory in use. Model servers reserve most of it for their cache from the start."
    return external.lines(
        "GPU memory in use", text, [Query(share, _GPU_LEGEND)], external.GPU, share=True, levels=_PLAIN
    )


def gpu_errors(ask: Ask) -> Panel:
    """A GPU that reports XID errors computes wrong or not at all."""
    last = f"max by (Hostname, gpu) ({ask.series('DCGM_FI_DEV_XID_ERRORS')})"
    text = "Number of the last XID error of each GPU; 0 is none. A GPU with errors computes wrong, or not at all."
    return external.lines(
        "GPU errors (XID)", text, [Query(last, _GPU_LEGEND)], external.GPU, unit="none", soft_most=1, levels=_ERRORS
    )


PANELS = (processors, memory, disks, gpus, gpu_memory, gpu_errors)
