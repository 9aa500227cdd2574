//go:build !cgo

package device

import (
	"errors"

	"github.com/gomlx/compute"
)

// Without cgo nothing can load a plugin; the Go backend still computes.
const xlaBuilt = false

func openXLA(Device) (compute.Backend, error) { return nil, errors.New(noXLA) }
