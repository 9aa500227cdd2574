//go:build !linux

package adapter

// exchange swaps two directories in one step where the system can; this one cannot.
func exchange(_, _ string) bool { return false }
