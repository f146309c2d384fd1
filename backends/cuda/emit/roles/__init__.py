"""Prints what a role does: waits and arrivals, copies, products, and in between what it computes on tiles."""

from .printer import RolePrinter

__all__ = ["RolePrinter"]
