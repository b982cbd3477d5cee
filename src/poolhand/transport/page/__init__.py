"""What the pages of all programs share: their colours, sign and files, amounts and plots."""
