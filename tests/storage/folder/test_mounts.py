from __future__ import annotations

from pathlib import Path

import pytest

from prefect_seedance.storage.folder.mounts import filesystem_type, network_notice
from prefect_seedance.storage.folder.store import FolderStore

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /mnt/share nfs4 rw,vers=4.2 0 0
/dev/vdb /mnt/share/local xfs rw 0 0
//nas/video /mnt/my\\040nas cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
host /mnt/guest 9p rw 0 0
/dev/vdc /mnt/twice ext4 rw 0 0
server:/b /mnt/twice nfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/videos", "ext4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/a/b", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/a", "xfs"),
        ("/mnt/my nas/a", "cifs"),
        ("/mnt/ssh/a", "fuse.sshfs"),
        ("/mnt/guest", "9p"),
        ("/mnt/twice/a", "nfs"),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str) -> None:
    assert filesystem_type(Path(path), MOUNTS) == kind
    notice = network_notice(Path(path), MOUNTS)
    assert bool(notice) == (kind not in ("ext4", "xfs"))
    assert not notice or kind in notice


def test_without_a_mount_table_there_is_no_notice() -> None:
    assert network_notice(Path("/a"), "") == ""


def test_a_local_folder_has_no_notice() -> None:
    assert FolderStore(Path("/proc/self")).network_filesystem_notice() == ""
