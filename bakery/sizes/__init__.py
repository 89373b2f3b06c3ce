"""Sizes of images: by layer and by part, compared with other images and with budgets."""

from bakery.sizes.baseline import OfficialImage, megabytes, official_size, read_baseline
from bakery.sizes.breakdown import FileSize, Part, Share, Size, label_of
from bakery.sizes.budget import budget_of, explain_excess
from bakery.sizes.comparison import Comparison, SizeReport, Summary, document, files_only_in, ratio
from bakery.sizes.measure import open_comparer, size_and_anatomy
