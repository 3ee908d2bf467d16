"""Whether a folder is on a network file system, by the text of `/proc/mounts`; unknown elsewhere.

On those, atomic links, locks and fsync are promises of a server and of its mount options, which cannot be
checked from here. Hence a notice, not a refusal.
"""

from __future__ import annotations

import re
from pathlib import Path

_NETWORK_TYPES = frozenset(
    {
        *(
            "9p",
            "afs",
            "afpfs",
            "beegfs",
            "ceph",
            "cifs",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
        ),
        *("orangefs", "prl_fs", "smb", "smb3", "smbfs", "vboxsf", "virtiofs", "wekafs", "fuse.ceph"),
        *("fuse.gcsfuse", "fuse.glusterfs", "fuse.grpcfuse", "fuse.mount-s3", "fuse.osxfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.smbnetfs", "fuse.sshfs"),
    }
)


def read_mounts() -> str:
    """Return the mount table of this process, or empty text where there is none to read."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def filesystem_type(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds this absolute path, by this mount table; empty if unknown."""
    best_length, best_type = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_unescaped(fields[1]))
        # The last of equal mount points is the one on top.
        if (path == point or point in path.parents) and len(point.parts) >= best_length:
            best_length, best_type = len(point.parts), fields[2]
    return best_type


def network_notice(path: Path, mounts: str) -> str:
    """Return a sentence for the user if the path is on a network file system, else empty text."""
    kind = filesystem_type(path, mounts)
    if kind not in _NETWORK_TYPES:
        return ""
    return (
        f"{path} is on a network file system ({kind}). Two machines that write there at once are safe only "
        "if it has atomic hard links and working locks, which cannot be checked from here. Use one worker "
        "machine, or keep the videos in S3."
    )


def _unescaped(text: str) -> str:
    # The kernel writes blank, tab, newline and backslash as octal.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)
