"""The page a person reads: ``page.render(content.ReportContent(...))`` gives one HTML file."""
