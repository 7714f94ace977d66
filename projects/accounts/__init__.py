"""Accounts: how people log in, with which second factor, as what, and until when.

django-allauth does the work; here is what ThreadHub decides about it. Which projects somebody may
read follows from `projects.models.project`, what they may do beyond reading from their role.
"""
