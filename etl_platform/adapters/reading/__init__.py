"""A file on disk or in S3 → an opened table, whatever it is: delimited text, a workbook, an archive of either."""
