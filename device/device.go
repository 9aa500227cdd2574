// Package device chooses and opens what computes: XLA on a GPU, XLA on the CPU, or GoMLX's own Go backend, which is always there.
package device

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"

	"lsat/internal/plugin"
)

// Names of the devices, as --device takes them.
const (
	Auto    = "auto"
	XLACUDA = "xla:cuda"
	XLACPU  = "xla:cpu"
	Go      = "go"
)

// ErrUnknown is the error of Open for a name that is no device, and ErrUnavailable for a device that this machine cannot use now.
var (
	ErrUnknown     = errors.New("unknown device")
	ErrUnavailable = errors.New("device not available")
)

// goConfig configures the Go backend: in its default parallel mode nested work deadlocks (compute v0.1.6).
const goConfig = "ops_sequential"

// Device says whether a device can be used, as far as can be told without opening it.
type Device struct {
	Name      string // xla:cuda, xla:cpu or go
	Plugin    string // path of the PJRT plugin; empty for go, or when none was found
	Available bool
	Reason    string // why it is not available
	Fix       string // what to do about that; empty when nothing is to be done
}

// Devices lists every device that lsat knows, the fastest first. It loads no plugin.
func Devices() []Device {
	return []Device{cudaDevice(), cpuDevice(), {Name: Go, Available: true}}
}

func cudaDevice() Device {
	d := Device{Name: XLACUDA, Plugin: plugin.Find(plugin.CUDA)}
	switch {
	case !xlaBuilt:
		d.Reason, d.Fix = noXLA, fixNoXLA
	case !plugin.HasNVIDIA():
		d.Reason = "no NVIDIA GPU found (no /dev/nvidia0)"
	case d.Plugin == "":
		d.Reason = "no " + plugin.FileName(plugin.CUDA) + " found in " + strings.Join(plugin.Dirs(), ", ")
		d.Fix = "pip install jax[cuda13], and set " + plugin.PathEnv + " to its directory jax_plugins/xla_cuda13"
	default:
		d.Available = true
	}
	return d
}

func cpuDevice() Device {
	d := Device{Name: XLACPU, Plugin: plugin.Find(plugin.CPU)}
	switch {
	case !xlaBuilt:
		d.Reason, d.Fix = noXLA, fixNoXLA
	case d.Plugin == "":
		d.Reason = "no " + plugin.FileName(plugin.CPU) + " found in " + strings.Join(plugin.Dirs(), ", ")
		d.Fix = "lsat pull " + plugin.CacheName
	default:
		d.Available = true
	}
	return d
}

const (
	noXLA    = "this lsat was built without cgo, which XLA needs"
	fixNoXLA = "build it where a C compiler is on PATH (make build finds or gets one)"
)

// Open opens a device by name: "auto" (or "") takes the fastest that opens, otherwise "xla:cuda", "xla:cpu" ("xla" for short) or
// "go". It returns the backend, the name of what was opened, and a one-line notice that a person should see ("" for none): auto
// says there when it had to fall back. A device asked for by name never falls back: the error wraps ErrUnavailable.
func Open(name string) (backend compute.Backend, opened, notice string, err error) {
	switch name {
	case "", Auto:
		return openAuto(Devices(), openOne)
	case "xla", XLACPU:
		backend, err = openOne(cpuDevice())
		return backend, XLACPU, "", err
	case XLACUDA:
		backend, err = openOne(cudaDevice())
		return backend, XLACUDA, "", err
	case Go:
		backend, err = openOne(Device{Name: Go, Available: true})
		return backend, Go, "", err
	}
	if base, index, ok := cutIndex(name); ok {
		return nil, "", "", fmt.Errorf("%w %q: devices have no numbers, there is one %s; CUDA_VISIBLE_DEVICES=%s chooses among GPUs", ErrUnknown, name, base, index)
	}
	return nil, "", "", fmt.Errorf("%w %q: use auto, %s, %s or %s", ErrUnknown, name, XLACUDA, XLACPU, Go)
}

// cutIndex splits the number off a name such as xla:cuda:1.
func cutIndex(name string) (base, index string, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return "", "", false
	}
	base, index = name[:i], name[i+1:]
	if _, err := strconv.ParseUint(index, 10, 16); err != nil {
		return "", "", false
	}
	return base, index, base == XLACUDA || base == XLACPU || base == Go
}

// openAuto takes the first of the devices that opens. What is missing without a remedy (no GPU in the machine) is not worth a
// word; what is missing but could be had is.
func openAuto(devices []Device, open func(Device) (compute.Backend, error)) (compute.Backend, string, string, error) {
	var words []string
	var errs []error
	for _, d := range devices {
		b, err := open(d)
		if err == nil {
			return b, d.Name, fallbackNotice(d.Name, words), nil
		}
		errs = append(errs, err)
		switch {
		case d.Available: // found, yet it does not open
			words = append(words, firstLine(err))
		case d.Fix != "":
			words = append(words, fmt.Sprintf("%s: %s", d.Name, d.Fix))
		}
	}
	return nil, "", "", errors.Join(errs...)
}

func fallbackNotice(opened string, words []string) string {
	switch {
	case len(words) == 0 && opened != Go:
		return ""
	case opened == Go:
		return "computing with the Go backend, several times slower than XLA (" + strings.Join(words, "; ") + ")"
	}
	return "computing on " + opened + " (" + strings.Join(words, "; ") + ")"
}

// openOne opens one device. Constructors of backends may panic on a plugin that they cannot read; that is an error here.
func openOne(d Device) (b compute.Backend, err error) {
	if !d.Available {
		msg := d.Reason
		if d.Fix != "" {
			msg += "; to get it: " + d.Fix
		}
		return nil, fmt.Errorf("%s: %w: %s", d.Name, ErrUnavailable, msg)
	}
	defer func() {
		if r := recover(); r != nil {
			b, err = nil, fmt.Errorf("%s: %w: plugin %s: %v", d.Name, ErrUnavailable, d.Plugin, r)
		}
	}()
	if d.Name == Go {
		return gobackend.New(goConfig)
	}
	b, err = openXLA(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", d.Name, ErrUnavailable, firstLine(err))
	}
	if b.NumDevices() < 1 {
		b.Finalize()
		return nil, fmt.Errorf("%s: %w: its plugin %s shows no device", d.Name, ErrUnavailable, d.Plugin)
	}
	return b, nil
}

// firstLine keeps an error to one line: those of XLA carry the compiler's own notes below it.
func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}
