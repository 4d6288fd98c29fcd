"""Names of classes, and of files that programs leave beside photos."""

from __future__ import annotations

import unicodedata

# Left by macOS in archives, by Windows, and by Synology's NAS and Linux file systems.
_CLUTTER = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        "lost+found",
    }
)


def class_name(text: str) -> str:
    """The class that `text` names, in NFC: macOS writes "Löwenzahn" in files' names with other characters (NFD)."""
    return unicodedata.normalize("NFC", text)


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden (`.DS_Store`, `._photo.jpg`) or was left by a program."""
    return name.startswith(".") or name.casefold() in _CLUTTER
