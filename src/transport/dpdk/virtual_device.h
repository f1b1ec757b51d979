#pragma once

#include <expected>
#include <memory>
#include <string>

namespace minos {

// A virtual device that is there as long as this object: EAL starts once in a process, but a
// process may connect to one server after another. After Eal::start(), by one thread at a time;
// ports on the device must be gone before it is.
class VirtualDevice {
 public:
  // As after --vdev: DRIVERn, or DRIVERn,ARGUMENTS. Error: a sentence with the name.
  static std::expected<std::unique_ptr<VirtualDevice>, std::string> plug_in(
      const std::string& device);
  ~VirtualDevice();
  VirtualDevice(const VirtualDevice&) = delete;
  VirtualDevice& operator=(const VirtualDevice&) = delete;

  const std::string& name() const { return name_; }

 private:
  explicit VirtualDevice(std::string name) : name_(std::move(name)) {}

  std::string name_;
};

}  // namespace minos
