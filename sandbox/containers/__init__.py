"""Containers for the docker backend.

    engine     which engine answers, and whose containers on it are left over     image  what they are made of
    container  one of them, hardened, with a fork server as its only program

https://docs.docker.com/reference/api/engine/ ; Podman's service speaks the same.
"""
