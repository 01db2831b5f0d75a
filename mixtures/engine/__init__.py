"""The compiled engine: passes over blocks of rows and the EM loop. It knows kernels by address, never families."""
