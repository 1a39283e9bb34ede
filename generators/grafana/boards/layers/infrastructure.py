"""Infrastructure: machines and GPUs, as other exporters see them."""

from __future__ import annotations

from typing import Final

from generators.grafana.boards.layers.external import GPU, NODE, external
from generators.grafana.colours import HARM, LINE
from generators.grafana.expressions import promql, series
from generators.grafana.form import Steps
from generators.grafana.query_builder import RATE

_PLAIN: Final[Steps] = ((None, LINE),)
_ERRORS: Final[Steps] = ((None, LINE), (1, HARM))
_GPU_LEGEND: Final = "{{Hostname}} GPU {{gpu}}"
_REAL_DISK: Final = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'

PANELS: Final = (
    external(
        "Processor in use, by machine",
        "Share of each machine's cores in use.",
        {
            "{{instance}}": promql(
                f"1 - avg by (instance) (rate(%s[{RATE}]))", series("node_cpu_seconds_total", 'mode="idle"')
            )
        },
        NODE,
        share=True,
    ),
    external(
        "Memory in use, by machine",
        "Share of memory in use, not counting what can be freed.",
        {
            "{{instance}}": promql(
                "1 - max by (instance) (%s) / max by (instance) (%s)",
                series("node_memory_MemAvailable_bytes"),
                series("node_memory_MemTotal_bytes"),
            )
        },
        NODE,
        share=True,
    ),
    external(
        "Disk in use",
        "A full disk stops the gateway's log and Tocsin.",
        {
            "{{instance}} {{mountpoint}}": promql(
                "max by (instance, mountpoint) (1 - %s / %s)",
                series("node_filesystem_avail_bytes", _REAL_DISK),
                series("node_filesystem_size_bytes", _REAL_DISK),
            )
        },
        NODE,
        share=True,
    ),
    external(
        "GPU in use",
        "Idle GPUs while requests wait are as suspicious as busy ones while there are none.",
        {_GPU_LEGEND: promql("avg by (Hostname, gpu) (%s) / 100", series("DCGM_FI_DEV_GPU_UTIL"))},
        GPU,
        share=True,
        levels=_PLAIN,
    ),
    external(
        "GPU memory in use",
        "Share of each GPU's memory in use. Model servers reserve most of it for their cache from the start.",
        {
            _GPU_LEGEND: promql(
                "max by (Hostname, gpu) (%s / (%s + %s))",
                series("DCGM_FI_DEV_FB_USED"),
                series("DCGM_FI_DEV_FB_USED"),
                series("DCGM_FI_DEV_FB_FREE"),
            )
        },
        GPU,
        share=True,
        levels=_PLAIN,
    ),
    external(
        "GPU errors (XID)",
        "Number of the last XID error of each GPU; 0: none. A GPU with errors computes wrong results or stops.",
        {_GPU_LEGEND: promql("max by (Hostname, gpu) (%s)", series("DCGM_FI_DEV_XID_ERRORS"))},
        GPU,
        unit="none",
        soft_most=1,
        levels=_ERRORS,
    ),
)
