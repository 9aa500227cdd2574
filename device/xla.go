//go:build cgo

package device

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	// Not its autoinstall package: that one goes to the network at start-up, and hangs where there is none. It sets
	// TF_CPP_MIN_LOG_LEVEL to 3 unless the user has, which keeps XLA's own log lines away.
	"github.com/gomlx/go-xla/compute/xla"
	"k8s.io/klog/v2"
)

const xlaBuilt = true

// openXLA loads a plugin by its absolute path, so that go-xla neither searches the system's library directories (it opens every
// candidate) nor needs an environment variable set before the program starts.
func openXLA(path string) (compute.Backend, error) {
	quiet()
	if strings.Contains(path, ",") {
		return nil, fmt.Errorf("plugin path %q has a comma, which go-xla reads as the start of its options: move the plugin", path)
	}
	return xla.New(path)
}

// logLevelEnv is XLA's own switch for its log. go-xla sets it to 3, errors only, at start-up; any other value is the user's.
const logLevelEnv = "TF_CPP_MIN_LOG_LEVEL"

// quiet keeps go-xla's log away too, unless the user asked for XLA's: what matters of it comes back as an error.
var quiet = sync.OnceFunc(func() {
	if os.Getenv(logLevelEnv) == "3" {
		klog.LogToStderr(false)
		klog.SetOutput(io.Discard)
	}
})
