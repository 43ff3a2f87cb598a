"""The pages: preview studio and test inbox, on Starlette."""
