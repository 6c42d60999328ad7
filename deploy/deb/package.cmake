# The .deb: cmake --preset release && cmake --build --preset release && (cd build/release && cpack). Needs scripts/deps build deb.
install(FILES deploy/systemd/outrigger.service DESTINATION /usr/lib/systemd/system)
install(FILES deploy/outrigger.toml DESTINATION /etc/outrigger)
install(FILES deploy/deb/logrotate DESTINATION /etc/logrotate.d RENAME outrigger)
install(FILES conf/outrigger.toml RENAME outrigger.toml.reference DESTINATION /usr/share/doc/outrigger)
install(FILES conf/sim.toml RENAME sim.toml.reference DESTINATION /usr/share/doc/outrigger)
install(FILES LICENSE RENAME copyright DESTINATION /usr/share/doc/outrigger)

# cpack packs what is built; it does not build the tests to that end.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME outrigger)
set(CPACK_PACKAGE_VENDOR "The Outrigger project")
set(CPACK_PACKAGE_CONTACT "The Outrigger project")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "caching and resilience proxy beside Dify")
set(CPACK_PACKAGE_DESCRIPTION "Answers repeated questions to language models from a cache, paces calls to what a provider\nallows, and falls back to another one when it fails.")
# Absolute places are taken below the package's own root.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/tools.cmake)
set(CPACK_DEBIAN_PACKAGE_DEPENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_LIST_DIR}/conffiles ${CMAKE_CURRENT_LIST_DIR}/postinst ${CMAKE_CURRENT_LIST_DIR}/prerm ${CMAKE_CURRENT_LIST_DIR}/postrm)
include(CPack)
