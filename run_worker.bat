@echo off
rem The background worker alone, for a second window beside "manage.py runserver".
cd /d "%~dp0"
if exist .venv\Scripts\python.exe (
  .venv\Scripts\python.exe manage.py qcluster %*
) else (
  py run.py manage qcluster %*
)
