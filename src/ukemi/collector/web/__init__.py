"""Web: shows. Server-rendered pages, each with a JSON twin under the same address with `.json` behind it."""
