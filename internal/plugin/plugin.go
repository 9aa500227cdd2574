// Package plugin finds the PJRT plugins (shared libraries that hold XLA) on this machine. It opens none of them and downloads
// nothing: `lsat pull pjrt-cpu` puts one where Find looks.
package plugin

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// PathEnv names the environment variable that lists directories to search first, the same that go-xla and JAX read.
const PathEnv = "PJRT_PLUGIN_LIBRARY_PATH"

// CacheName is the catalogue's name for the CPU plugin, and of its directory in lsat's cache.
const CacheName = "pjrt-cpu"

// Kinds of plugin, in the spelling of plugin file names.
const (
	CPU  = "cpu"
	CUDA = "cuda"
)

// FileName is the file name of the plugin of a kind on this operating system.
func FileName(kind string) string {
	ext := ".so"
	switch runtime.GOOS {
	case "darwin":
		ext = ".dylib"
	case "windows":
		ext = ".dll"
	}
	return "pjrt_c_api_" + kind + "_plugin" + ext
}

// Dirs lists the directories searched for plugins, in order: PJRT_PLUGIN_LIBRARY_PATH, lsat's cache, then the user's and the
// system's directories of go-xla. lsat never writes to any but its own cache.
func Dirs() []string {
	var dirs []string
	for _, d := range filepath.SplitList(os.Getenv(PathEnv)) {
		if d != "" {
			dirs = append(dirs, d)
		}
	}
	if c, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(c, "lsat", "plugins", CacheName))
	}
	if h, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(h, ".local", "lib", "go-xla"))
	}
	return append(dirs, "/usr/local/lib/go-xla")
}

// jaxCUDA is the CUDA plugin's name in JAX's Python package (jax_plugins/xla_cuda13, with its libraries in place beside it).
const jaxCUDA = "xla_cuda_plugin.so"

// Find returns the absolute path of the first plugin of a kind, or "" when there is none. A CUDA plugin may also lie in an
// "nvidia" directory beside the others, where its libraries are, or have the name that JAX gives it.
func Find(kind string) string {
	for _, dir := range Dirs() {
		candidates := []string{filepath.Join(dir, FileName(kind))}
		if kind == CUDA {
			candidates = append(candidates, filepath.Join(dir, "nvidia", FileName(kind)), filepath.Join(dir, jaxCUDA))
		}
		for _, c := range candidates {
			abs, err := filepath.Abs(c)
			if err != nil {
				continue
			}
			if info, err := os.Stat(abs); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
				return abs
			}
		}
	}
	return ""
}

// HasNVIDIA tells whether the machine shows an NVIDIA GPU: its driver's device files are there. Without one a CUDA plugin is not
// even loaded, since its libraries are large and complain at length.
func HasNVIDIA() bool {
	matches, err := filepath.Glob("/dev/nvidia[0-9]*")
	if err == nil && len(matches) > 0 {
		return true
	}
	// Under WSL the driver shows itself as /dev/dxg only.
	if _, err := os.Stat("/dev/dxg"); err == nil {
		v, err := os.ReadFile("/proc/version")
		return err == nil && strings.Contains(strings.ToLower(string(v)), "microsoft")
	}
	return false
}
