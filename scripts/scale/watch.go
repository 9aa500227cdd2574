package main

import (
	"syscall"
	"time"
)

// watch measures time, by the clock and of the processor.
type watch struct {
	start time.Time
	cpu   float64
}

func begin() watch { return watch{time.Now(), cpuSeconds()} }

func (w watch) seconds() (clock, cpu float64) {
	return time.Since(w.start).Seconds(), cpuSeconds() - w.cpu
}

// cpuSeconds is what this process has had of all cores so far; 0 where it cannot be told.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
