/**
 * virtio over MMIO, version 2 (virtio 1.2, section 4.2.2, table 4.1). Little-endian 32-bit registers; configuration
 * space takes any width.
 *
 *   offset   access   name
 *   0x000    r        MagicValue "virt"
 *   0x004    r        Version 2
 *   0x008    r        DeviceID, 0 for a slot without a device
 *   0x00c    r        VendorID
 *   0x010    r        DeviceFeatures, the word that DeviceFeaturesSel selects
 *   0x014    w        DeviceFeaturesSel
 *   0x020    w        DriverFeatures, the word that DriverFeaturesSel selects
 *   0x024    w        DriverFeaturesSel
 *   0x030    w        QueueSel
 *   0x034    r        QueueNumMax, 0 for a queue that does not exist
 *   0x038    w        QueueNum
 *   0x044    rw       QueueReady
 *   0x050    w        QueueNotify
 *   0x060    r        InterruptStatus
 *   0x064    w        InterruptACK
 *   0x070    rw       Status; writing 0 resets the device
 *   0x080    w        QueueDescLow, 0x084 QueueDescHigh
 *   0x090    w        QueueDriverLow, 0x094 QueueDriverHigh
 *   0x0a0    w        QueueDeviceLow, 0x0a4 QueueDeviceHigh
 *   0x0ac    w        SHMSel
 *   0x0b0    r        SHMLenLow, 0x0b4 SHMLenHigh, 0x0b8 SHMBaseLow, 0x0bc SHMBaseHigh: all ones, there is no such
 *   region 0x0fc    r        ConfigGeneration
 *   0x100    rw       Config
 */
export const VIRTIO_MMIO_SIZE_BYTES = 0x1000;
export const VIRTIO_MMIO_MAGIC_VALUE = 0x000;
export const VIRTIO_MMIO_VERSION = 0x004;
export const VIRTIO_MMIO_DEVICE_ID = 0x008;
export const VIRTIO_MMIO_VENDOR_ID = 0x00c;
export const VIRTIO_MMIO_DEVICE_FEATURES = 0x010;
export const VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014;
export const VIRTIO_MMIO_DRIVER_FEATURES = 0x020;
export const VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024;
export const VIRTIO_MMIO_QUEUE_SEL = 0x030;
export const VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034;
export const VIRTIO_MMIO_QUEUE_NUM = 0x038;
export const VIRTIO_MMIO_QUEUE_READY = 0x044;
export const VIRTIO_MMIO_QUEUE_NOTIFY = 0x050;
export const VIRTIO_MMIO_INTERRUPT_STATUS = 0x060;
export const VIRTIO_MMIO_INTERRUPT_ACK = 0x064;
export const VIRTIO_MMIO_STATUS = 0x070;
export const VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080;
export const VIRTIO_MMIO_QUEUE_DESC_HIGH = 0x084;
export const VIRTIO_MMIO_QUEUE_DRIVER_LOW = 0x090;
export const VIRTIO_MMIO_QUEUE_DRIVER_HIGH = 0x094;
export const VIRTIO_MMIO_QUEUE_DEVICE_LOW = 0x0a0;
export const VIRTIO_MMIO_QUEUE_DEVICE_HIGH = 0x0a4;
export const VIRTIO_MMIO_SHM_LEN_LOW = 0x0b0;
export const VIRTIO_MMIO_SHM_LEN_HIGH = 0x0b4;
export const VIRTIO_MMIO_SHM_BASE_LOW = 0x0b8;
export const VIRTIO_MMIO_SHM_BASE_HIGH = 0x0bc;
export const VIRTIO_MMIO_CONFIG_GENERATION = 0x0fc;
export const VIRTIO_MMIO_CONFIG = 0x100;

/** "virt", little-endian. */
export const VIRTIO_MAGIC = 0x7472_6976;
export const VIRTIO_VERSION = 2;
/** "QEMU": guests written for its board, xv6 for one, refuse any other vendor. */
export const VIRTIO_VENDOR = 0x554d_4551;

/** InterruptStatus and InterruptACK. */
export const VIRTIO_MMIO_INT_VRING = 1;
export const VIRTIO_MMIO_INT_CONFIG = 2;

/** Status (2.1). */
export const VIRTIO_STATUS_DRIVER_OK = 4;
export const VIRTIO_STATUS_FEATURES_OK = 8;
export const VIRTIO_STATUS_NEEDS_RESET = 64;
