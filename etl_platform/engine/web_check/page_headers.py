"""The headers of HTTP with which every page about a file is sent."""

from etl_platform.engine.pages.html_document import page_policy


def page_headers() -> dict[str, str]:
    """No script, no frame, nothing from elsewhere, and no copy in a cache."""
    return {
        "Content-Security-Policy": f"{page_policy(posts_to_itself=True)}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
