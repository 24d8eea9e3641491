"""report.html: everything about a study on one page that needs no network, and for its tables no JavaScript."""

from nas_search.results.report.write import REPORT_FILE, report_html, write_report

__all__ = ["REPORT_FILE", "report_html", "write_report"]
