package adapter
