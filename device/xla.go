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
func openXLA(d Device) (compute.Backend, error) {
	quiet()
	path := d.Plugin
	if strings.Contains(path, ",") {
		return nil, fmt.Errorf("plugin path %q has a comma, which go-xla reads as the start of its options: move the plugin", path)
	}
	if d.Name == XLACUDA {
		if err := os.Setenv(flagsEnv, withFlags(os.Getenv(flagsEnv), cudaFlags)); err != nil {
			return nil, err
		}
	}
	return xla.New(path)
}

// flagsEnv holds XLA's own options, which a plugin reads when it is opened.
const flagsEnv = "XLA_FLAGS"

// cudaFlags leave matrix products to cuBLAS by its own rules. What XLA does otherwise, a search among kernels of Triton's for each product of
// each program, takes eight times as long to compile, and without the search Triton's run at a quarter of the speed (docs/PERFORMANCE.md).
var cudaFlags = []string{"--xla_gpu_enable_triton_gemm=false", "--xla_gpu_autotune_level=0"}

// withFlags adds to XLA's options those that the user has not set one way or the other.
func withFlags(set string, flags []string) string {
	for _, f := range flags {
		name, _, _ := strings.Cut(f, "=")
		if !strings.Contains(set, name) {
			set = strings.TrimSpace(set + " " + f)
		}
	}
	return set
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
