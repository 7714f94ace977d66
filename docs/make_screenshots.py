"""Make the pictures in docs/images from the sample archive, in the Chromium of this machine.

Start ThreadHub with its sample archive, then: python docs/make_screenshots.py [ADDRESS]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def take(browser: Browser, address: str, name: str, *, theme: str, is_thread: bool) -> None:
    """Photograph the results of a search, or the thread that its first hit opens."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-GB",
        device_scale_factor=1.5,
    )
    page = context.new_page()
    for _ in range(2):  # the second time the server is warm, as it is for people
        page.goto(f"{address}/?q=refund", wait_until="networkidle")
    if is_thread:
        page.goto(f"{address}/?q=slow+query+has%3Acode", wait_until="networkidle")
        link = page.locator(".fragments a").first.get_attribute("href") or ""
        page.goto(f"{address}{link.split('#')[0]}", wait_until="networkidle")
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


def main() -> None:
    address = (sys.argv[1:] or ["http://127.0.0.1:8000"])[0].rstrip("/")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        take(browser, address, "search", theme="light", is_thread=False)
        take(browser, address, "thread", theme="dark", is_thread=True)
        browser.close()


if __name__ == "__main__":
    main()
