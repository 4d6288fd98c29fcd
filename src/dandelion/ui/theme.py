"""The page's theme: Gradio's default in green and amber, with enough contrast for WCAG 2.2 AA."""

from __future__ import annotations

from gradio import themes
from gradio.themes.utils.fonts import Font, LocalFont


def create_theme() -> themes.Base:
    """Create the theme for light and dark mode."""
    # Gradio's file for weight 600 of this font lacks most letters.
    font: list[Font | str] = [LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"]
    mono: list[Font | str] = [LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"]
    return themes.Default(
        primary_hue="green", secondary_hue="amber", neutral_hue="stone", font=font, font_mono=mono
    ).set(
        color_accent="*primary_700",
        border_color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_hover="#991b1b",
        button_cancel_background_fill_dark="#b91c1c",
        button_cancel_background_fill_hover_dark="#991b1b",
        link_text_color="*primary_800",
        link_text_color_dark="*primary_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
    )
