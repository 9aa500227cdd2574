//go:build cgo

package device

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"
	// Not its autoinstall package: that one goes to the network at start-up, and hangs where there is none. It sets
	// TF_CPP_MIN_LOG_LEVEL to 3 unless the user has, which keeps XLA's own log lines away.
	"github.com/gomlx/go-xla/compute/xla"
)

const xlaBuilt = true

// openXLA loads a plugin by its absolute path, so that go-xla neither searches the system's library directories (it opens every
// candidate) nor needs an environment variable set before the program starts.
func openXLA(path string) (compute.Backend, error) {
	if strings.Contains(path, ",") {
		return nil, fmt.Errorf("plugin path %q has a comma, which go-xla reads as the start of its options: move the plugin", path)
	}
	return xla.New(path)
}
